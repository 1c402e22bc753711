import pytest

from drivetrain import errors


def tree(root):
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


OWN = [c for c in tree(errors.DrivetrainError) if c.__module__ == errors.__name__]


def test_every_class_owns_one_code():
    codes = [c.code for c in OWN]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("DT") and code[2:].isdigit() and len(code) == 5 for code in codes)


@pytest.mark.parametrize("kind", OWN)
def test_the_message_starts_with_the_code(kind):
    error = kind("model", "lama") if kind is errors.UnknownNameError else kind("what to do")
    assert str(error).startswith(f"{kind.code} ")


@pytest.mark.parametrize("kind", OWN)
def test_exit_codes_tell_bad_input_from_infeasible_from_internal(kind):
    expected = 2 if issubclass(kind, errors.BadInputError) else 1 if kind is errors.InfeasibleError else 3
    assert kind.exit_code == expected


def test_an_unknown_name_offers_names_and_a_hint():
    error = errors.UnknownNameError("model", "lama", ["llama-3", "llama-2"], "Or give a file.")
    assert str(error) == "DT012 unknown model 'lama'. Did you mean 'llama-3' or 'llama-2'? Or give a file."

import pytest

from drivetrain.catalogue import api_prices, loader
from drivetrain.errors import FileError


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """A function that lays a file of offers over the shipped one."""
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))

    def write(text):
        (tmp_path / "api_prices.toml").write_text(text)
        api_prices._offers.cache_clear()

    yield write
    api_prices._offers.cache_clear()


FACT = '{ value = "%s USD", source = "assumption", seen = "2026-11", kind = "vendor" }'


def offer(price="1", provider="deepinfra"):
    fact = FACT % price
    return f'[[offers]]\nmodel = "llama-3.1-8b"\nprovider = "{provider}"\ninput = {fact}\noutput = {fact}\n'


def test_every_shipped_price_is_of_a_model_of_the_catalogue_and_has_a_source():
    sources = loader.sources()
    for name in api_prices.models():
        assert loader.resolve("models", name) == name
    facts = dict(api_prices.facts())
    assert len(facts) >= 2 * len(api_prices.models())
    assert all(fact.source in sources and fact.value > 0 for fact in facts.values())


def test_cached_input_never_costs_more_than_other_input():
    for name in api_prices.models():
        for found in api_prices.offers(name):
            assert found.cached is None or found.cached.value <= found.input.value


def test_the_cheapest_output_comes_first():
    prices = [found.output.value for found in api_prices.offers("deepseek-v3.2")]
    assert len(prices) > 1
    assert prices == sorted(prices)


def test_a_persons_own_price_replaces_the_providers(catalogue):
    catalogue(offer("7"))
    assert [found.output.value for found in api_prices.offers("llama-3.1-8b")] == [7.0]
    catalogue(offer("7", "elsewhere"))
    assert len(api_prices.offers("llama-3.1-8b")) == 2


@pytest.mark.parametrize("price", ["-1", "0", "nan"])
def test_prices_that_are_none_are_errors_of_the_file(catalogue, price):
    catalogue(offer(price))
    with pytest.raises(FileError, match=r"api_prices\.toml"):
        api_prices.offers("llama-3.1-8b")

from drivetrain.report.cost import break_even_lines, tornado_lines

ROW = {"name": "pue", "low": 1.0, "high": 1.5, "usd_at_low": 1.8, "usd_at_high": 2.4}


def even(share, now=0.5):
    cheaper = "own" if share is not None and now > share else "API"
    return {"fixed": "own", "against": "API", "utilisation_frac": share, "now_frac": now, "cheaper_now": cheaper}


def test_break_even_says_above_which_use_or_never():
    texts = [line.plain for line in break_even_lines([even(0.25), even(0.75), even(1.3), even(None)])]
    assert "now 50 %" in texts[0]
    assert "above 25 %, so now own" in texts[1]
    assert "above 75 %, so now API" in texts[2]
    assert "never: that takes 1.3 times its capacity" in texts[3]
    assert "never" in texts[4]


def test_with_nothing_to_compare_it_says_so():
    assert "nothing to compare" in break_even_lines([])[0].plain


def test_a_tornados_bars_reach_as_far_as_their_ends():
    line = tornado_lines([ROW, ROW | {"name": "load_frac", "usd_at_high": 2.2}], 2.0)
    left, right = line[0].plain.split("│")
    assert (left.count("█"), right.count("█")) == (11, 22)
    assert line[1].plain.split("│")[1].count("█") == 11
    assert "$1.8–2.4" in line[0].plain


def test_a_term_that_costs_less_when_high_has_its_ends_in_order():
    line = tornado_lines([ROW | {"name": "server_years", "usd_at_low": 2.4, "usd_at_high": 1.8}], 2.0)[0].plain
    assert "life, years" in line
    assert "$1.8–2.4" in line


def test_without_pictures_there_are_numbers_alone():
    line = tornado_lines([ROW], 2.0, pictures=False)[0].plain
    assert "█" not in line
    assert "$1.8–2.4" in line


def test_rent_by_the_hour_is_compared_with_the_table_that_rents_all_day():
    rented = even(0.5, now=0.25) | {"against": "rent", "against_way": "rent", "cheaper_now": "rent"}
    texts = [line.plain for line in break_even_lines([rented, rented | {"utilisation_frac": 1.5}])]
    assert "above 50 %, so now rent if given back while idle, else own" in texts[1]
    assert "never: its hour costs 1.5 times one rented" in texts[2]


def test_a_narrow_tornado_keeps_its_proportions():
    line = tornado_lines([ROW], 2.0, half=10)[0].plain
    left, right = line.split("│")
    assert (left.count("█"), right.count("█")) == (5, 10)

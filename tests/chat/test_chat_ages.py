import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat import ages, lexicon


def stated(text, *, asked=False):
    split = lexicon.shipped().split(text)
    return ages.stated(split.words, split.present, split.folded.text, asked=asked)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("i'm 13", 13), ("im only 13", 13), ("13 f", 13), ("f13", 13), ("13f from berlin", 13),
        ("im13", 13), ("i am 14 years old", 14), ("turning 14 next week", 14), ("13 yo", 13),
        ("i'm in 8th grade", 13), ("im in year 8", 12), ("im a minor", 17), ("im 34", 34),
        ("ich bin 13", 13), ("bin erst 12", 12), ("ich gehe in die 7. klasse", 13),
        ("ich werde 14", 14), ("tengo 13 años", 13), ("tengo trece", 13), ("soy menor", 17),
        ("estoy en segundo de la eso", 13), ("j'ai 13 ans", 13), ("j'ai que 12 ans", 12),
        ("jai treize ans", 13), ("je suis en 4eme", 13), ("no, tengo 13", 13),
        ("im 14 in 3 weeks", 14), ("im 13 and i have no money", 13), ("im 11, 12 in july", 11),
        ("tengo 13 años y nada de dinero", 13), ("tengo 13 y te doy mi mano", 13),
    ],
)  # fmt: skip
def test_a_stated_age_is_read(text, age):
    assert stated(text) == age


@pytest.mark.parametrize(
    "text",
    [
        "i'm 13 minutes late", "13 euros", "13 goals", "my son is 13", "tengo 13 goles",
        "j'ai 13 euros", "i have 13 dogs", "when i was 13", "im not 13", "room 13", "thirteen",
        "i am 5 km away", "im 12 weeks pregnant", "my son is in 7th grade", "i teach 8th grade",
        "ich unterrichte die 7. klasse", "8th grade", "see you at 10", "13",
        "no tengo 45", "no tengo 13 años", "i have 45 (money)", "tengo 45 de dinero", "im 45 short",
        "tengo 45 y lo pago", "im 13 in tall", "tengo 20 en la cuenta", "nunca tengo 45",
    ],
)  # fmt: skip
def test_other_numbers_are_no_age(text):
    assert stated(text) is None


@pytest.mark.parametrize(
    ("text", "age"),
    [("13", 13), ("13 u?", 13), ("almost 13", 13), ("quince y tu", 15), ("8th grade", 13),
     ("13 euros", None), ("auch 14", 14), ("14 too lol", 14), ("eleven, twelve in july", 11),
     ("14 in 3 weeks", 14), ("14 in a month", 14), ("13 im juli", 13), ("trece en mayo", 13),
     ("11, 12 en juillet", 11), ("13 in a row", None), ("11, 12, 13", None),
     ("13 in height", None)],
)  # fmt: skip
def test_a_bare_answer_counts_after_the_question(text, age):
    assert stated(text, asked=True) == age


@given(st.text(max_size=60), st.booleans())
def test_any_text_states_an_age_that_can_be(text, asked):
    age = stated(text, asked=asked)
    assert age is None or ages.YOUNGEST <= age <= ages.OLDEST

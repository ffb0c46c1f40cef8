"""Names of months and days in the languages that dates are read in, and their short forms.

Short forms are accepted with and without their point, since Java's own data had both over the years.
Source: Unicode CLDR, "dates" (gregorian, format wide and abbreviated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calendar:
    """Names from January and from Monday on; of the short ones several may stand for the same."""

    months: Sequence[str]
    days: Sequence[str]
    short_months: Sequence[Sequence[str]]
    short_days: Sequence[Sequence[str]]


def calendar_of(locale: str) -> Calendar | None:
    """Of a locale's language, None where it is not known: en, en-US, de_AT."""
    return CALENDARS.get(locale.replace("_", "-").split("-")[0].lower())


def _calendar(months: str, days: str, short_months: str, short_days: str) -> Calendar:
    return Calendar(
        months.split(), days.split(),
        [each.split("/") for each in short_months.split()], [each.split("/") for each in short_days.split()],
    )  # fmt: skip


CALENDARS: Mapping[str, Calendar] = {
    "en": _calendar(
        "January February March April May June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "Jan Feb Mar Apr May Jun Jul Aug Sep/Sept Oct Nov Dec",
        "Mon Tue Wed Thu Fri Sat Sun",
    ),
    "de": _calendar(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "Jan/Jän Feb Mär/Mrz April/Apr Mai Juni/Jun Juli/Jul Aug Sept/Sep Okt Nov Dez",
        "Mo Di Mi Do Fr Sa So",
    ),
    "fr": _calendar(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "janv/jan févr/fév mars avr mai juin juil août sept/sep oct nov déc",
        "lun mar mer jeu ven sam dim",
    ),
    "es": _calendar(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "lunes martes miércoles jueves viernes sábado domingo",
        "ene feb mar abr may jun jul ago sept/sep oct nov dic",
        "lun mar mié jue vie sáb dom",
    ),
    "it": _calendar(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "lun mar mer gio ven sab dom",
    ),
    "pt": _calendar(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "seg ter qua qui sex sáb dom",
    ),
    "nl": _calendar(
        "januari februari maart april mei juni juli augustus september oktober november december",
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "jan feb mrt/maart apr mei jun jul aug sep okt nov dec",
        "ma di wo do vr za zo",
    ),
}

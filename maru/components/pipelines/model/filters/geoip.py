"""geoip: where an address is, by a MaxMind database that the user gives.

A city, country, ASN or anonymous-IP file may be given; its kind says which fields there are. No database
comes with Maru, and none is fetched.
Source: Logstash reference, "Geoip filter plugin"; MaxMind DB file format; Elastic Common Schema, "geo", "as".
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

Path_ = tuple[str | int, ...]

_ECS: Mapping[str, tuple[Reference, Path_]] = {
    "CITY_NAME": (("geo", "city_name"), ("city", "names", "en")),
    "CONTINENT_CODE": (("geo", "continent_code"), ("continent", "code")),
    "CONTINENT_NAME": (("geo", "continent_name"), ("continent", "names", "en")),
    "COUNTRY_NAME": (("geo", "country_name"), ("country", "names", "en")),
    "COUNTRY_CODE2": (("geo", "country_iso_code"), ("country", "iso_code")),
    "POSTAL_CODE": (("geo", "postal_code"), ("postal", "code")),
    "REGION_NAME": (("geo", "region_name"), ("subdivisions", 0, "names", "en")),
    "TIMEZONE": (("geo", "timezone"), ("location", "time_zone")),
    "DMA_CODE": (("mmdb", "dma_code"), ("location", "metro_code")),
    "LATITUDE": (("geo", "location", "lat"), ("location", "latitude")),
    "LONGITUDE": (("geo", "location", "lon"), ("location", "longitude")),
    "AUTONOMOUS_SYSTEM_NUMBER": (("as", "number"), ("autonomous_system_number",)),
    "AUTONOMOUS_SYSTEM_ORGANIZATION": (("as", "organization", "name"), ("autonomous_system_organization",)),
}
_LEGACY: Mapping[str, tuple[Reference, Path_]] = {
    "CITY_NAME": (("city_name",), ("city", "names", "en")),
    "CONTINENT_CODE": (("continent_code",), ("continent", "code")),
    "CONTINENT_NAME": (("continent_name",), ("continent", "names", "en")),
    "COUNTRY_NAME": (("country_name",), ("country", "names", "en")),
    "COUNTRY_CODE2": (("country_code2",), ("country", "iso_code")),
    "COUNTRY_CODE3": (("country_code3",), ("country", "iso_code")),
    "POSTAL_CODE": (("postal_code",), ("postal", "code")),
    "REGION_CODE": (("region_code",), ("subdivisions", 0, "iso_code")),
    "REGION_NAME": (("region_name",), ("subdivisions", 0, "names", "en")),
    "TIMEZONE": (("timezone",), ("location", "time_zone")),
    "DMA_CODE": (("dma_code",), ("location", "metro_code")),
    "LATITUDE": (("latitude",), ("location", "latitude")),
    "LONGITUDE": (("longitude",), ("location", "longitude")),
    "AUTONOMOUS_SYSTEM_NUMBER": (("asn",), ("autonomous_system_number",)),
    "AUTONOMOUS_SYSTEM_ORGANIZATION": (("as_org",), ("autonomous_system_organization",)),
}


class GeoipOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """database: a file. fields: as the reference names them, all by default."""

    source: str
    database: str = ""
    target: str = ""
    fields: Sequence[str] = ()
    tag_on_failure: Sequence[str] = ("_geoip_lookup_failure",)
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: no database, one that cannot be read, no target, a field there is not."""
    options = options_of(plugin, GeoipOptions, "filter")
    source, is_ecs = parse_reference(options.source), options.ecs_compatibility != "disabled"
    target = _target(options, source, is_ecs=is_ecs)
    table = _ECS if is_ecs else _LEGACY
    known = {*table, "IP", "LOCATION", "REGION_CODE", "REGION_ISO_CODE"}
    names = [name.upper() for name in options.fields] or sorted(known)
    if set(names) - known:
        raise Invalid(what="geoip", why=f"illegal field value {sorted(set(names) - known)}", fix=str(sorted(known)))
    find = _lookup(options.database, tools)

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        address = text_of(value[0] if isinstance(value, list) and value else value) if value is not None else ""
        try:
            found = find(address)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            for tag in options.tag_on_failure:
                event.tag(tag)
            return False
        for name in names:
            if name in table:
                _put(event, target + table[name][0], _inside(found, table[name][1]))
        if "IP" in names:
            event.put((*target, "ip"), address)
        _put_composed(event, target, found, names, is_ecs=is_ecs)
        return True

    return per_event(options, is_successful)


def _target(options: GeoipOptions, source: Reference, *, is_ecs: bool) -> Reference:
    if options.target:
        return parse_reference(options.target)
    if not is_ecs:
        return ("geoip",)
    if len(source) > 1 and source[-1] == "ip":
        return source[:-1]
    raise Invalid(
        what="geoip",
        why="ECS compatibility is on and source is no [x][ip], so target must be given",
        fix='target => "source"',
    )


def _lookup(database: str, tools: Tools):  # type: ignore[no-untyped-def] # what the library's reader gives
    if not database:
        raise Invalid(
            what="geoip", why="no database comes with Maru", fix='database => "/path/GeoLite2-City.mmdb", from MaxMind'
        )
    # Here, not above: processes without such a filter do not pay for it.
    import maxminddb

    content = _Named(tools.read_file(Path(database)))
    content.name = database
    try:
        reader = maxminddb.open_database(content, maxminddb.MODE_FD)
    except maxminddb.InvalidDatabaseError as error:
        raise Invalid(what=f"geoip database {database}", why=str(error), fix="give a MaxMind DB file") from error
    return reader.get


class _Named(io.BytesIO):
    """A file's content with its name, which the library uses in messages."""

    name = ""


def _inside(found: object, path: Path_) -> object:
    for step in path:
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and len(found) > step else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def _put(event: Event, reference: Reference, value: object) -> None:
    if value is not None:
        event.put(reference, value)


def _put_composed(event: Event, target: Reference, found: object, names: Sequence[str], *, is_ecs: bool) -> None:
    """What is made of several: the region's code with its country's, the point."""
    region, country = _inside(found, ("subdivisions", 0, "iso_code")), _inside(found, ("country", "iso_code"))
    if is_ecs and region and country and {"REGION_CODE", "REGION_ISO_CODE"} & set(names):
        event.put((*target, "geo", "region_iso_code"), f"{country}-{region}")
    latitude, longitude = _inside(found, ("location", "latitude")), _inside(found, ("location", "longitude"))
    if "LOCATION" in names and latitude is not None:
        event.put((*target, *(("geo",) if is_ecs else ()), "location"), {"lat": latitude, "lon": longitude})

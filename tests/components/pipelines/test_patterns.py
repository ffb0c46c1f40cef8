"""The named grok patterns find in real log lines what stands there, under both spellings of the fields."""

from __future__ import annotations

import re
from typing import Any

import pytest

from maru.components.pipelines.model.grok.compiling import compile_grok
from maru.components.pipelines.model.grok.library import ECS, LEGACY, library

S3 = (
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1 "
    "[06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be "
    '3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" '
    '"S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 '
    "ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSv1.2"
)
ELB = (
    "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 "
    '0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -'
)
HAPROXY = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 "
    '10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"'
)
ASA = (
    "Built inbound TCP connection 141 for outside:10.0.0.130/53520 (10.0.0.130/53520) to "
    "inside:10.0.8.2/443 (10.0.8.2/443)"
)
IPTABLES = (
    "IN=eth0 OUT= MAC=00:16:3e:11:22:33:00:16:3e:44:55:66:08:00 SRC=203.0.113.9 DST=198.51.100.4 LEN=60 TOS=0x00 "
    "PREC=0x00 TTL=49 ID=4242 DF PROTO=TCP SPT=51234 DPT=22 WINDOW=29200 RES=0x00 SYN URGP=0"
)
EXIM = (
    "2024-02-10 07:29:58 1NtAEq-0000Jc-7v <= bob@example.com H=mail.example.com [192.0.2.7]:41222 "
    "P=esmtps S=2412 id=abc@example.com"
)
SRX = (
    "RT_FLOW_SESSION_CREATE: session created 192.0.2.1/2345->198.51.100.7/443 junos-https "
    "192.0.2.200/7777->198.51.100.7/443 nat-out None 6 allow-web trust untrust 12345"
)
CONN = (
    "1300475168.853899\tCCvvfg3TEfuqmmG4bh\t141.142.220.118\t43927\t141.142.2.2\t53\tudp\tdns\t0.000435\t38\t89\tSF\t"
    "-\t0\tDd\t1\t66\t1\t117\t-"
)
SQUID = "1286536308.779    180 192.168.0.224 TCP_MISS/200 411 GET http://example.com/a - DIRECT/203.0.113.5 text/html"
TOMCAT = "26-Nov-2024 12:00:01.123 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [75] ms"

LINES: list[tuple[str, str, dict[str, object], dict[str, object]]] = [
    (
        "S3_ACCESS_LOG",
        S3,
        {"bucket": "amzn-s3-demo-bucket1", "response": 200, "request_time_ms": 7, "tls_version": "TLSv1.2"},
        {"[aws][s3access][operation]": "REST.GET.VERSIONING", "[http][response][status_code]": 200},
    ),
    (
        "ELB_ACCESS_LOG",
        ELB,
        {"elb": "my-loadbalancer", "backendip": "10.0.0.1", "path": "/", "agent": "curl/7.38.0"},
        {"[source][ip]": "192.168.131.39", "[aws][elb][backend][port]": 80, "[url][domain]": "www.example.com"},
    ),
    (
        "HAPROXYHTTP",
        HAPROXY,
        {"client_ip": "10.0.1.2", "http_status_code": "200", "captured_request_headers": "1wt.eu", "pid": "14389"},
        {"[haproxy][server_name]": "srv1", "[http][request][method]": "GET", "[source][bytes]": 2750},
    ),
    (
        "CISCOFW302013_302014_302015_302016",
        ASA,
        {"action": "Built", "direction": "inbound", "src_port": "53520", "dst_interface": "inside"},
        {"[cisco][asa][connection_id]": "141", "[destination][port]": 443},
    ),
    (
        "IPTABLES",
        IPTABLES,
        {"src_ip": "203.0.113.9", "dst_port": "22", "src_mac": "00:16:3e:44:55:66", "proto": "TCP"},
        {"[destination][mac]": "00:16:3e:11:22:33", "[iptables][ttl]": 49, "[iptables][tcp][window]": 29200},
    ),
    (
        "EXIM",
        EXIM,
        {"exim_msgid": "1NtAEq-0000Jc-7v", "remote_host": "192.0.2.7", "protocol": "esmtps"},
        {"[source][port]": 41222, "[exim][log][message][body][size]": 2412},
    ),
    (
        "RT_FLOW2",
        SRX,
        {"src-ip": "192.0.2.1", "src-nat-rule-name": "nat-out", "session-id": "12345"},
        {"[source][nat][port]": 7777, "[observer][egress][zone]": "untrust"},
    ),
    (
        "BRO_CONN",
        CONN,
        {"uid": "CCvvfg3TEfuqmmG4bh", "service": "dns", "resp_ip_bytes": "117"},
        {"[source][ip]": "141.142.220.118", "[zeek][connection][duration]": 0.000435},
    ),
    (
        "SQUID3",
        SQUID,
        {"duration": "180", "cache_result": "TCP_MISS", "server": "203.0.113.5"},
        {"[http][response][status_code]": 200, "[url][original]": "http://example.com/a"},
    ),
    (
        "CATALINALOG",
        TOMCAT,
        {"level": "INFO", "thread": "main", "class": "org.apache.catalina.startup.Catalina", "method": "start"},
        {"[java][log][origin][thread][name]": "main", "message": "Server startup in [75] ms"},
    ),
    (
        "JAVASTACKTRACEPART",
        "\tat com.example.Shop.pay(Shop.java:42)",
        {"class": "com.example.Shop", "method": "pay", "line": "42"},
        {"[log][origin][file][name]": "Shop.java", "[log][origin][file][line]": 42},
    ),
    (
        "HTTPD_ERRORLOG",
        "[Wed Oct 11 14:32:52.123456 2023] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:51000] "
        "AH00037: not here",
        {"module": "core", "clientport": "51000", "errorcode": "AH00037", "message": "not here"},
        {"[apache][error][module]": "core", "[process][thread][id]": 4328636416},
    ),
    (
        "BIND9",
        "17-Feb-2018 23:06:56.326 queries: info: client 172.26.0.1#12345 (test.example.com): "
        "query: test.example.com IN A +E(0)K (172.26.0.3)",
        {"clientip": "172.26.0.1", "querytype": "A", "dns": "172.26.0.3"},
        {"[dns][question][name]": "test.example.com", "[client][port]": 12345},
    ),
    (
        "SYSLOG5424LINE",
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [ex@32473 iut="3"] An event',
        {"syslog5424_pri": "165", "syslog5424_app": "evntslog", "syslog5424_msg": "An event"},
        {"[log][syslog][priority]": 165, "[host][hostname]": "mymachine.example.com", "[event][code]": "ID47"},
    ),
    (
        "CRONLOG",
        "Nov 24 10:17:01 web1 CRON[4242]: (root) CMD (run-parts /etc/cron.hourly)",
        {"user": "root", "action": "CMD", "message": "run-parts /etc/cron.hourly"},
        {"[system][cron][action]": "CMD", "[process][pid]": 4242},
    ),
    (
        "MONGO3_LOG",
        "2024-11-03T18:00:32.449-0200 I NETWORK  [initandlisten] waiting for connections on port 27017",
        {"severity": "I", "component": "NETWORK", "context": "initandlisten"},
        {"[log][level]": "I", "[mongodb][component]": "NETWORK"},
    ),
    (
        "REDISLOG",
        "[4018] 14 Nov 07:01:22.119 * Background saving terminated with success",
        {"pid": "4018", "timestamp": "14 Nov 07:01:22.119"},
        {"[process][pid]": 4018},
    ),
    (
        "REDISMONLOG",
        '1339518083.107412 [0 127.0.0.1:60866] "keys" "*"',
        {"client": "127.0.0.1", "command": "keys", "params": '"*"'},
        {"[redis][database][id]": "0", "[client][port]": 60866},
    ),
    (
        "RUBY_LOGGER",
        "I, [1999-03-03T02:34:24.895701 #19074]  INFO -- Main: info.",
        {"loglevel": "INFO", "progname": "Main", "message": "info."},
        {"[process][pid]": 19074},
    ),
    (
        "RAILS3",
        'Started POST "/api/v3/internal/allowed" for 127.0.0.1 at 2015-08-05 11:37:01 +0200',
        {"verb": "POST", "request": "/api/v3/internal/allowed", "clientip": "127.0.0.1"},
        {"[url][original]": "/api/v3/internal/allowed", "[source][address]": "127.0.0.1"},
    ),
    (
        "NAGIOSLOGLINE",
        "[1427925600] SERVICE ALERT: nagioshost;nagiosservice;CRITICAL;SOFT;3;no answer",
        {"nagios_type": "SERVICE ALERT", "nagios_state": "CRITICAL", "nagios_attempt": "3"},
        {"[service][name]": "nagiosservice", "[nagios][log][attempt]": 3, "message": "no answer"},
    ),
    (
        "BACULA_LOGLINE",
        '09-Jan 19:54 host-dir JobId 16443: Created new Volume "save-01" in catalog.',
        {"hostname": "host-dir", "jobid": "16443", "volume": "save-01"},
        {"[bacula][volume][name]": "save-01"},
    ),
    ("MAVEN_VERSION", "1.2.3-SNAPSHOT", {}, {}),
]


@pytest.mark.parametrize(("name", "line", "legacy", "ecs"), LINES, ids=[line[0] for line in LINES])
def test_a_real_line_is_found_in_both_spellings(
    name: str, line: str, legacy: dict[str, object], ecs: dict[str, object]
) -> None:
    for spelling, wanted in ((LEGACY, legacy), (ECS, ecs)):
        found = fields(name, line, spelling)
        assert found is not None
        assert {field: found.get(field) for field in wanted} == wanted


@pytest.mark.parametrize("spelling", [LEGACY, ECS])
def test_every_pattern_can_be_compiled_and_each_name_is_in_both_spellings(spelling: str) -> None:
    patterns = library(spelling)
    assert set(patterns) == set(library(LEGACY))
    assert len(patterns) > 350
    compiled = [compile_grok(f"%{{{name}}}", patterns).pattern for name in patterns]
    assert all(isinstance(pattern, re.Pattern) for pattern in compiled)


def fields(name: str, line: str, spelling: str) -> dict[str, Any] | None:
    """What the pattern finds, by the names as they were written."""
    grok = compile_grok(f"%{{{name}}}", library(spelling))
    match = grok.pattern.search(line)
    if match is None:
        return None
    texts = [(capture, match[capture.group]) for capture in grok.captures if match[capture.group]]
    return {each.name: text if each.convert is None else each.convert(text) for each, text in texts}

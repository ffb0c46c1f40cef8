"""Inputs and outputs that Logstash has and that will not be here, with the reason.

Source: Logstash reference, "Input plugins", "Output plugins".
"""

from __future__ import annotations

from collections.abc import Mapping

_NO_REDIS = "there is no client of Redis here; Filebeat, tcp and kafka bring the same"
_NO_CLIENT = "there is no client of it here; tcp, http or kafka may bring the same"

REFUSED: Mapping[str, Mapping[str, str]] = {
    "input": {
        "azure_event_hubs": "there is no client of it here; event hubs speak Kafka, which is",
        "cloudwatch": _NO_CLIENT,
        "couchdb_changes": _NO_CLIENT,
        "github": "webhooks come by the input http",
        "google_pubsub": _NO_CLIENT,
        "imap": "no mail is read here",
        "irc": _NO_CLIENT,
        "jdbc": "there is no JDBC here",
        "jms": "there is no JMS here",
        "jmx": "there is no JMX here; Jolokia and http_poller bring the same",
        "kinesis": _NO_CLIENT,
        "log4j": "its events are serialized Java objects; use Log4j's JsonTemplateLayout with tcp",
        "log4j2": "its events are serialized Java objects; use Log4j's JsonTemplateLayout with tcp",
        "logstash": "it speaks a protocol of its own between two Logstashes; use lumberjack and beats",
        "puppet_facter": _NO_CLIENT,
        "rabbitmq": _NO_CLIENT,
        "redis": _NO_REDIS,
        "relp": "RELP is not spoken here; use syslog",
        "rss": _NO_CLIENT,
        "salesforce": _NO_CLIENT,
        "snmp": "SNMP is not spoken here",
        "snmptrap": "SNMP is not spoken here",
        "sqlite": "there is no JDBC here",
        "sqs": "there is no client of it here",
        "stdin": "a pipeline runs in a daemon, which has no terminal; use file, tcp or http",
        "stomp": _NO_CLIENT,
        "twitter": _NO_CLIENT,
        "varnishlog": _NO_CLIENT,
        "websocket": "WebSockets are not spoken by pipelines; use http",
        "xmpp": _NO_CLIENT,
    },
    "output": {
        "boundary": _NO_CLIENT,
        "cloudwatch": _NO_CLIENT,
        "datadog": "use http",
        "datadog_metrics": "use http",
        "email": "nothing here sends mail; use http",
        "ganglia": _NO_CLIENT,
        "google_bigquery": _NO_CLIENT,
        "google_cloud_storage": _NO_CLIENT,
        "google_pubsub": _NO_CLIENT,
        "influxdb": "use http",
        "irc": _NO_CLIENT,
        "juggernaut": _NO_REDIS,
        "logstash": "it speaks a protocol of its own between two Logstashes; use lumberjack",
        "loggly": "use http",
        "metriccatcher": _NO_CLIENT,
        "mongodb": _NO_CLIENT,
        "nagios": "it writes into a pipe of Nagios; use pipe",
        "nagios_nsca": "use exec",
        "opentsdb": "use tcp",
        "pagerduty": "use http",
        "rabbitmq": _NO_CLIENT,
        "redis": _NO_REDIS,
        "redmine": "use http",
        "riak": _NO_CLIENT,
        "riemann": _NO_CLIENT,
        "sns": _NO_CLIENT,
        "solr_http": "use http",
        "sqs": _NO_CLIENT,
        "stomp": _NO_CLIENT,
        "timber": _NO_CLIENT,
        "webhdfs": "use http",
        "websocket": "WebSockets are not spoken by pipelines; use http",
        "xmpp": _NO_CLIENT,
        "zabbix": _NO_CLIENT,
    },
}

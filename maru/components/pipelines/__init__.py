"""Pipelines: Logstash configurations, run: inputs, filters, outputs, with queues that outlive a crash.

Stands in for Logstash. Proved by real configurations, a Filebeat's recorded session and clients of its
monitoring API. Ruby code in configurations and plugins written in Ruby are not run.
"""

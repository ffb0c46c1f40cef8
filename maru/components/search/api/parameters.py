"""The parameters that requests may carry. One that is not among them is refused, as a slip of the pen.

Source: Elasticsearch and OpenSearch REST API specifications, over all endpoints.
"""

from __future__ import annotations

KNOWN = frozenset(
    """
    accept_data_loss actions active_only aggregations all all_shards allow_no_indices allow_partial_search_results allow_restricted_indices
    analyze_wildcard analyzer awareness_attribute batched_reduce_size bytes cause ccs_minimize_roundtrips character_filter check_delete
    cluster_manager_timeout completion_fields conflicts create default_operator delimiter df detailed docvalue_fields dry_run
    error_trace ensure_no_search_contexts exact_bounds expand_wildcards explain ext extent fail_on_partial fields fielddata_fields field_statistics
    fielddata file_cache filter_path filters flat_settings flush force format from full_id fuzzy group_by groups h help human if_primary_term
    if_seq_no ignore_idle_threads ignore_unavailable include include_defaults include_disk_info include_execution_details include_global_state
    include_named_queries_score include_type_name include_unloaded_segments include_unmapped include_yes_decisions index index_filter
    index_names indices interval keep_alive lang lazy level lenient list_executed_pipelines local master_timeout max_concurrent_searches
    max_concurrent_shard_requests max_docs max_num_segments merge_refresh_tags metric min_compatible_shard_node mode name next_token node_id nodes offsets only_ancient_segments
    only_expunge_deletes op_type order parent_task_id payloads phase_took pipeline pit_id positions pre_filter_shard_size preference preserve_existing
    pretty pri primary_only prefer_v2_templates primaries q query query_cache realtime recycler refresh reload_secure_settings remote_node_id
    request request_cache requests_per_second require_alias require_data_stream rest_total_hits_as_int retry_failed retry_on_conflict rewrite rethrottle
    routing s scroll scroll_id scroll_size search_pipeline search_timeout search_type segments shard_stats shards size slices snapshot sort source
    source_content_type stats status storage_metrics stored_fields suggest_field suggest_mode suggest_size suggest_text task_execution_timeout
    term_statistics terminate_after text thread_pool threads time time_zone timeout track_scores track_total_hits ts type typed_keys types update_all
    v value_type verbose verify version version_type wait_for_active_shards wait_for_completion wait_for_events wait_for_index
    wait_for_indices wait_for_metadata_version wait_for_no_initializing_shards wait_for_no_relocating_shards wait_for_nodes
    wait_for_removal wait_for_status wait_for_timeout wait_for_task wait_if_ongoing weights with_limited_by write_index_only _source _source_exclude _source_excludes
    _source_include _source_includes batch_size copy_settings task_id tokenizer filter token_filter max_analyzed_offset force_synthetic_source
    include_source_on_error include_empty_fields features local_gateway include_segment_file_sizes forbid_closed_indices skip_time analyze include_model_definition
    """.split()
)

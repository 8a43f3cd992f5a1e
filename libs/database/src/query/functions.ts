// Which built-in functions act, and which are known to do nothing but compute.

/**
 * Built-in functions with an effect that outlives the statement. `default_transaction_read_only`
 * lets most of them pass, so the list is kept here.
 */
export const ACTING_FUNCTIONS: ReadonlySet<string> = new Set(
  `nextval setval pg_notify set_config lo_create lo_creat lo_unlink lo_import lo_export lo_put lo_from_bytea
  pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
  pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_cancel_backend pg_terminate_backend
  pg_reload_conf pg_rotate_logfile pg_switch_wal pg_create_restore_point pg_promote pg_backup_start pg_backup_stop
  pg_create_physical_replication_slot pg_create_logical_replication_slot pg_drop_replication_slot
  pg_logical_emit_message pg_logical_slot_get_changes pg_replication_slot_advance pg_export_snapshot
  pg_current_xact_id txid_current pg_stat_reset pg_stat_reset_shared pg_stat_statements_reset
  pg_wal_replay_pause pg_wal_replay_resume dblink_exec`
    .split(/\s+/)
    .map((name) => name.trim()),
);

/** Built-in functions that are not pure and leave nothing in their session, once their transaction is over. */
export const TRACELESS_FUNCTIONS: ReadonlySet<string> = new Set(
  `nextval setval pg_notify pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock
  pg_try_advisory_xact_lock_shared pg_current_xact_id txid_current random gen_random_uuid clock_timestamp timeofday`
    .split(/\s+/)
    .map((name) => name.trim()),
);

/** Built-in functions that only compute: a statement made of these may run twice. */
export const PURE_FUNCTIONS: ReadonlySet<string> = new Set(
  `count sum avg min max bool_and bool_or every string_agg array_agg json_agg jsonb_agg json_object_agg
  jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp regr_slope
  regr_intercept percentile_cont percentile_disc mode bit_and bit_or any_value
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
  abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10 power pow mod div pi degrees radians gcd lcm
  sin cos tan asin acos atan atan2 width_bucket scale trim_scale
  lower upper initcap length char_length character_length octet_length bit_length substr substring left right
  lpad rpad ltrim rtrim btrim trim replace translate reverse repeat position strpos split_part concat concat_ws
  format quote_ident quote_literal quote_nullable regexp_match regexp_matches regexp_replace regexp_split_to_array
  regexp_split_to_table regexp_count regexp_like starts_with ascii chr md5 sha224 sha256 sha384 sha512 encode decode
  to_hex overlay string_to_array string_to_table normalize unistr convert_from convert_to
  to_char to_date to_number to_timestamp date_part date_trunc date_bin extract age make_date make_time
  make_timestamp make_timestamptz make_interval justify_days justify_hours justify_interval isfinite timezone
  now transaction_timestamp statement_timestamp
  array_length array_position array_positions array_append array_prepend array_cat array_remove array_replace
  array_to_string array_upper array_lower array_ndims array_dims cardinality unnest generate_series
  generate_subscripts
  json_build_object json_build_array jsonb_build_object jsonb_build_array json_object jsonb_object to_json to_jsonb
  row_to_json json_array_length jsonb_array_length json_each jsonb_each json_each_text jsonb_each_text
  json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text json_extract_path
  jsonb_extract_path json_extract_path_text jsonb_extract_path_text jsonb_set jsonb_insert jsonb_pretty
  json_typeof jsonb_typeof jsonb_strip_nulls json_strip_nulls jsonb_path_query jsonb_path_query_array
  jsonb_path_query_first jsonb_path_exists jsonb_path_match jsonb_to_record jsonb_to_recordset json_to_record
  json_to_recordset json_object_keys jsonb_object_keys json_populate_record jsonb_populate_record
  json_populate_recordset jsonb_populate_recordset
  to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline
  setweight numnode querytree strip
  lower_inc upper_inc lower_inf upper_inf isempty range_merge int4range int8range numrange tsrange tstzrange daterange
  version current_database current_schema current_schemas current_setting pg_backend_pid pg_is_in_recovery
  pg_typeof pg_column_size pg_relation_size pg_total_relation_size pg_table_size pg_indexes_size pg_database_size
  pg_size_pretty pg_get_indexdef pg_get_constraintdef pg_get_expr pg_get_viewdef pg_get_functiondef obj_description
  col_description shobj_description format_type to_regclass to_regtype has_table_privilege has_schema_privilege
  pg_sleep pg_postmaster_start_time pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
  pg_current_wal_lsn pg_wal_lsn_diff pg_table_is_visible hashtext num_nulls num_nonnulls
  text int4 int8 float8 numeric bool date timestamp timestamptz interval like_escape overlaps host family masklen network`
    .split(/\s+/)
    .map((name) => name.trim()),
);

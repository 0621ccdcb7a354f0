add_executable(bench_promql "${PROJECT_SOURCE_DIR}/tests/bench/promql_bench.c")
target_link_libraries(bench_promql PRIVATE oxp_rules oxp_rule_file oxp_template oxp_query_json oxp_promql oxp_sampler oxp_tsdb oxp_labels oxp_metrics oxp_yaml oxp_regex oxp_base oxp_flags)

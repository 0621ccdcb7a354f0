add_executable(bench_ledger "${PROJECT_SOURCE_DIR}/tests/bench/ledger_bench.c")
target_link_libraries(bench_ledger PRIVATE oxp_ledger oxp_event oxp_metrics oxp_base oxp_flags)

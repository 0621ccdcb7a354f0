oxp_fuzz(fuzz_alerting SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/alerting_fuzz.c"
  DEPS oxp_notify oxp_delivery oxp_outbox oxp_rules oxp_promql oxp_yaml oxp_json oxp_labels oxp_regex oxp_base
  CORPUS tests/fuzz/corpus/alerting)

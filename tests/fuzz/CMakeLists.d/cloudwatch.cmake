oxp_fuzz(fuzz_cloudwatch SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/cloudwatch_fuzz.c"
  DEPS oxp_cloudwatch_plan oxp_cloudwatch_config oxp_aws oxp_rule_file oxp_promql oxp_yaml oxp_json oxp_labels oxp_regex oxp_base
  CORPUS tests/fuzz/corpus/cloudwatch)

oxp_fuzz(fuzz_aws SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/aws_fuzz.c" DEPS oxp_aws oxp_json oxp_resilience oxp_base
  CORPUS tests/fuzz/corpus/aws)

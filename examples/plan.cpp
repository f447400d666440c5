// What a budget buys: `example_plan MODEL BITS_PER_WEIGHT PLAN.json`. The plan can be edited, and
// carried out with CompressOptions::plan_file.
#include <trine/plan.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: example_plan MODEL BITS_PER_WEIGHT PLAN.json\n");
    return 2;
  }
  trine::PlanOptions options;
  options.bits_per_weight = std::atof(argv[2]);
  const auto plan = trine::plan_model(argv[1], options, [](const trine::Progress& step) {
    std::fprintf(stderr, "\rmeasuring errors: %zu of %zu matrices",
                 static_cast<std::size_t>(step.done_units),
                 static_cast<std::size_t>(step.total_units));
  });
  std::fprintf(stderr, "\n");
  if (!plan) {
    std::fprintf(stderr, "%s\n", plan.error().message.c_str());
    return 1;
  }
  for (const std::string& line : plan->explanation) std::printf("%s\n", line.c_str());
  std::printf("%.3f bits per weight, %zu bytes in all\n", plan->bits_per_weight,
              static_cast<std::size_t>(plan->stored_bytes));
  if (const auto written = trine::write_plan(argv[3], *plan); !written) {
    std::fprintf(stderr, "%s\n", written.error().message.c_str());
    return 1;
  }
}

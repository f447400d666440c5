// Prints the table of docs/families.md: `./dev results families`.
#include <fmt/format.h>

#include <cstdio>

#include "parity/family_measurement.h"
#include "parity/golden_model.h"

int main() {
  fmt::print(
      "| golden | family | max logit difference | same experts | KL of hqq-8bit | KL of "
      "hqq-3bit "
      "|\n|---|---|--:|---|--:|--:|\n");
  for (const std::string& name : trine::parity::golden_names()) {
    const auto measured = trine::parity::measure_family(name);
    if (!measured) {
      fmt::print(stderr, "{}: {}\n", name, measured.error().message);
      return 1;
    }
    fmt::print("| {} | {} | {:.1e} | {} | {:.5f} | {:.3f} |\n", name, measured->family,
               measured->max_logit_difference, measured->same_experts ? "yes" : "no",
               measured->kl_8bit, measured->kl_3bit);
  }
  return 0;
}

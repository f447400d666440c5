// The one list of compensators. To add one: write <name>.cpp beside this file, declare its factory
// and add its row here. Nothing else changes.
#include <array>

#include "compress/compensators/compensator.h"

namespace trine::compress {

using CompensatorFactory = std::unique_ptr<Compensator>();
CompensatorFactory make_milo;
CompensatorFactory make_milo_paper;
CompensatorFactory make_whitened;

namespace {

struct CompensatorRow {
  std::string_view name;
  CompensatorFactory* make;
};

constexpr std::array kCompensators = {
    CompensatorRow{"milo", make_milo},
    CompensatorRow{"milo-paper", make_milo_paper},
    CompensatorRow{"whitened", make_whitened},
};

}  // namespace

Result<std::unique_ptr<Compensator>> compensator_named(std::string_view name) {
  std::string known;
  for (const CompensatorRow& row : kCompensators) {
    if (row.name == name) return row.make();
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return fail(ErrorCode::kUnsupported, "compensator \"{}\" is not known; known: {}", name,
              known);
}

}  // namespace trine::compress

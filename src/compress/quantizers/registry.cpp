// The one list of quantizers. To add one: write <name>.cpp beside this file, declare its factory
// and add its row here. Nothing else changes.
#include <array>

#include "compress/quantizers/quantizer.h"

namespace trine::compress {

using QuantizerFactory = std::unique_ptr<Quantizer>();
QuantizerFactory make_rtn;
QuantizerFactory make_hqq;
QuantizerFactory make_trine;
QuantizerFactory make_gptq;
QuantizerFactory make_gptq_compat;

namespace {

struct QuantizerRow {
  std::string_view name;
  QuantizerFactory* make;
};

constexpr std::array kQuantizers = {
    QuantizerRow{"rtn", make_rtn},
    QuantizerRow{"hqq", make_hqq},
    QuantizerRow{"trine", make_trine},
    QuantizerRow{"gptq", make_gptq},
    QuantizerRow{"gptq-compat", make_gptq_compat},
};

}  // namespace

Result<std::unique_ptr<Quantizer>> quantizer_named(std::string_view name) {
  std::string known;
  for (const QuantizerRow& row : kQuantizers) {
    if (row.name == name) return row.make();
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return fail(ErrorCode::kUnsupported, "quantizer \"{}\" is not known; known: {}", name, known);
}

}  // namespace trine::compress

// Round-to-nearest (RTN): each group keeps its own range, min to max. The simplest quantizer,
// and the baseline every other one must beat.
// Source: Jacob et al. 2018, arXiv:1712.05877, section 2.1 (affine scheme), with a zero that is
// not rounded to a whole code.
#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"

namespace trine::compress {
namespace {

class Rtn final : public RowQuantizer {
 public:
  void quantize_panel(const Panel& panel, const QuantizerOptions& options,
                      QuantizedMatrix& matrix) const override {
    const auto max_code = static_cast<float>((1 << options.bits) - 1);
    for (std::size_t row = 0; row < panel.weights.rows; ++row) {
      for_each_group(panel, matrix, row, [&](const GroupView& group) {
        const AffineGroup grid = min_max_group(range_of(group.weights), max_code);
        group.scale = grid.scale;
        group.zero = grid.zero;
        for (std::size_t i = 0; i < group.weights.size(); ++i) {
          const float code = nearest_code(group.weights[i] / grid.scale + grid.zero, max_code);
          group.codes[i] = static_cast<std::uint8_t>(code);
        }
      });
    }
    round_metadata(panel, matrix, options);
  }
};

}  // namespace

std::unique_ptr<Quantizer> make_rtn();
std::unique_ptr<Quantizer> make_rtn() { return std::make_unique<Rtn>(); }

}  // namespace trine::compress

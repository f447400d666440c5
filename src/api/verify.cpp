#include <trine/verify.h>

#include "api/opened_model.h"
#include "core/finite_check.h"

namespace trine {
namespace {

Status verify_original(const checkpoint::Checkpoint& model, const ProgressCallback& progress) {
  std::uint64_t done = 0;
  for (const auto& tensor : model.tensors()) {
    TRINE_RETURN_IF_ERROR(require_finite(tensor.name, tensor.view));
    model.release(tensor.name);
    done += tensor.view.bytes.size();
    if (progress) progress({tensor.name, done, model.total_weight_bytes()});
  }
  return {};
}

}  // namespace

Result<VerifyReport> verify_model(const std::string& path, const ProgressCallback& progress) {
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel model, api::open_model(path));
  if (model.packed) {
    TRINE_RETURN_IF_ERROR(model.packed->verify(progress));
    const packed::Manifest& manifest = model.packed->manifest();
    return VerifyReport{true, manifest.checksums.size(), manifest.totals.stored_bytes,
                        packed::count_nonfinite_weights(manifest)};
  }
  TRINE_RETURN_IF_ERROR(verify_original(*model.original, progress));
  return VerifyReport{false, model.original->tensors().size(),
                      model.original->total_weight_bytes(), 0};
}

}  // namespace trine

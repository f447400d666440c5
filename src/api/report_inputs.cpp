#include "api/report_inputs.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <variant>

#include "base/files.h"
#include "base/safetensors_file.h"
#include "calibrate/statistics_file.h"
#include "eval/report/trace_file.h"
#include "models/stored_weights.h"

namespace trine::api {
namespace {

constexpr std::size_t kMaxTraceBytes = std::size_t{256} << 20;

/// One safetensors file as a source of matrices.
class FileSource final : public models::WeightSource {
 public:
  FileSource(base::SafetensorsFile file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}

  [[nodiscard]] Result<models::WeightView> matrix(const MatrixSpec& spec) const override {
    return models::stored_matrix(spec, [this](const std::string& name) { return find(name); });
  }
  [[nodiscard]] Result<std::vector<float>> vector(const VectorSpec& spec) const override {
    return models::stored_vector(spec, [this](const std::string& name) { return find(name); });
  }
  void release(const MatrixSpec&) const override {}

 private:
  [[nodiscard]] Result<TensorView> find(const std::string& name) const {
    const base::TensorEntry* entry = file_.find(name);
    if (entry == nullptr) {
      return fail(ErrorCode::kNotFound, "{}: has no tensor {}", name_, name);
    }
    return TensorView{entry->dtype, entry->shape, file_.bytes(*entry)};
  }

  base::SafetensorsFile file_;
  std::string name_;
};

}  // namespace

Result<OpenedModel> open_original(const std::string& path, const ModelSpec& spec) {
  TRINE_ASSIGN_OR_RETURN(OpenedModel original, open_model(path));
  if (original.packed) {
    return fail(ErrorCode::kInvalidArgument, "{}: is a packed model, expected the original",
                path);
  }
  std::map<std::string, const MatrixSpec*> theirs;
  for (const MatrixSpec* matrix : all_matrices(original.spec())) theirs[matrix->name] = matrix;
  for (const MatrixSpec* matrix : all_matrices(spec)) {
    const auto found = theirs.find(matrix->name);
    if (found == theirs.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: has no matrix {}, expected the original of this model", path,
                  matrix->name);
    }
    const MatrixSpec& other = *found->second;
    if (other.out_features == matrix->out_features &&
        other.in_features == matrix->in_features) {
      continue;
    }
    return fail(ErrorCode::kInvalidArgument,
                "{}: {} is [{}, {}], expected [{}, {}] of the original of this model", path,
                matrix->name, other.out_features, other.in_features, matrix->out_features,
                matrix->in_features);
  }
  return original;
}

Result<plan::RouterMatrices> read_initial_routers(const std::string& path,
                                                  const ModelSpec& spec) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    TRINE_ASSIGN_OR_RETURN(const OpenedModel opened, open_model(path));
    return plan::read_routers(opened.spec(), opened.source());
  }
  TRINE_ASSIGN_OR_RETURN(auto file, base::SafetensorsFile::open(path));
  return plan::read_routers(spec, FileSource(std::move(file), path));
}

Result<std::vector<eval::report::Curve>> read_trace(const std::string& path,
                                                    const ModelInspection& model) {
  TRINE_ASSIGN_OR_RETURN(const std::string text, base::read_text_file(path, kMaxTraceBytes));
  TRINE_ASSIGN_OR_RETURN(auto curves, eval::report::parse_trace(text, path));
  std::set<std::string_view> names;
  for (const MatrixInspection& matrix : model.matrices) names.insert(matrix.name);
  for (const eval::report::Curve& curve : curves) {
    if (names.contains(curve.matrix)) continue;
    return fail(ErrorCode::kInvalidArgument,
                "{}: traces {}, expected only matrices of this model", path, curve.matrix);
  }
  return curves;
}

Status add_use(const std::string& path, const OpenedModel& model,
               std::vector<eval::report::LayerExperts>& layers) {
  const base::Json& config = model.packed ? model.packed->config() : model.original->config();
  TRINE_ASSIGN_OR_RETURN(const auto stored,
                         calibrate::read_statistics(
                             path, model.spec(), calibrate::identity_of(model.spec(), config)));
  for (const auto& [layer, routing] : stored.statistics.routing) {
    auto found = std::find_if(layers.begin(), layers.end(),
                              [&](const auto& other) { return other.layer == layer; });
    if (found == layers.end()) found = layers.insert(layers.end(), {.layer = layer});
    found->use = expert_use(routing);
  }
  return {};
}

}  // namespace trine::api

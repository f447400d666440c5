#include "api/opened_model.h"

#include <omp.h>

namespace trine::api {

const models::WeightSource& OpenedModel::source() const {
  if (packed) return *packed;
  return *original;
}

const ModelSpec& OpenedModel::spec() const {
  return packed ? packed->spec() : original->spec();
}

Result<OpenedModel> open_model(const std::string& path) {
  if (!std::filesystem::is_directory(path)) {
    return fail(ErrorCode::kNotFound, "{}: not a directory; a model is a directory with {}",
                path, "config.json and weights");
  }
  TRINE_ASSIGN_OR_RETURN(const bool is_packed, packed::is_packed_model(path));
  OpenedModel model;
  if (is_packed) {
    TRINE_ASSIGN_OR_RETURN(auto opened, packed::PackedModel::open(path));
    model.packed = std::make_unique<packed::PackedModel>(std::move(opened));
  } else {
    TRINE_ASSIGN_OR_RETURN(auto opened, checkpoint::Checkpoint::open(path));
    model.original = std::make_unique<checkpoint::Checkpoint>(std::move(opened));
  }
  return model;
}

Result<runtime::Engine> make_engine(const OpenedModel& model, const EngineOptions& options) {
  TRINE_ASSIGN_OR_RETURN(const int threads, resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(const kernels::KernelTable* table, kernels::table_named(options.isa));
  TRINE_ASSIGN_OR_RETURN(const kernels::InputForm form,
                         kernels::input_form_named(options.activations));
  TRINE_ASSIGN_OR_RETURN(auto engine,
                         runtime::Engine::load(model.spec(), model.source(), *table, threads));
  engine.set_input_form(form);
  return engine;
}

Result<int> resolve_threads(int requested) {
  constexpr int kMostThreads = 1024;
  if (requested < 0 || requested > kMostThreads) {
    return fail(ErrorCode::kInvalidArgument,
                "threads is {}, expected 1 to {}, or 0 for all processors", requested,
                kMostThreads);
  }
  return requested == 0 ? omp_get_num_procs() : requested;
}

}  // namespace trine::api

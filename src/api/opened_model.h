// A model directory opened as what it is: an original checkpoint or a packed model.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <trine/engine.h>
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "kernels/kernel_table.h"
#include "packed/packed_model.h"
#include "runtime/engine.h"

namespace trine::api {

/// Exactly one of the two is set. Moves; views into it stay valid when it does.
struct OpenedModel {
  std::unique_ptr<checkpoint::Checkpoint> original{};
  std::unique_ptr<packed::PackedModel> packed{};

  [[nodiscard]] const models::WeightSource& source() const;
  [[nodiscard]] const ModelSpec& spec() const;
};

[[nodiscard]] Result<OpenedModel> open_model(const std::string& path);

/// A runtime engine over `model`, which must outlive it.
[[nodiscard]] Result<runtime::Engine> make_engine(const OpenedModel& model,
                                                  const EngineOptions& options);

/// `requested`, or the number of processors for 0. kInvalidArgument for negative or absurd ones.
[[nodiscard]] Result<int> resolve_threads(int requested);

}  // namespace trine::api

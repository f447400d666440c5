// Which checkpoint is this? Cheaply, so that measurements can say what they were made of.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace trine::checkpoint {

/// 16 hex digits from the name, type and shape of every tensor and at most 3 · 512 of its bytes:
/// from its beginning, middle and end. It does not depend on how the checkpoint is cut into files.
/// Another model, or the same after training, has another one; a change of single weights in
/// between goes unseen. Reads three pages per tensor: seconds at most, also for a model of 10^5.
[[nodiscard]] std::string fingerprint(const Checkpoint& source);

}  // namespace trine::checkpoint

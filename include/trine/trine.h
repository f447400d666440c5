// All of Trine's public interface. Standard types only; nothing prints, aborts or reads the
// environment. What depends on the world returns Result, our bugs throw InvariantError.
#pragma once

#include <string>
#include <trine/bench.h>
#include <trine/calibrate.h>
#include <trine/certify.h>
#include <trine/chat.h>
#include <trine/compress.h>
#include <trine/engine.h>
#include <trine/evaluate.h>
#include <trine/inspect.h>
#include <trine/plan.h>
#include <trine/progress.h>
#include <trine/report.h>
#include <trine/result.h>
#include <trine/server.h>
#include <trine/serving.h>
#include <trine/tasks.h>
#include <trine/verify.h>

namespace trine {

/// For example "0.1.0".
[[nodiscard]] std::string version();

}  // namespace trine

// Times packed matrix products row by row, beside the limits of the machine.
#pragma once

#include <trine/bench.h>

#include "base/progress.h"
#include "base/result.h"
#include "kernels/kernel_table.h"

namespace trine::eval {

/// kInvalidArgument names the first option that is impossible, what was found and expected.
[[nodiscard]] Status check_options(const KernelBenchOptions& options);

/// @param options possible ones; its threads and isa are not looked at.
[[nodiscard]] Result<KernelReport> measure_kernels(const kernels::KernelTable& table,
                                                   int threads,
                                                   const KernelBenchOptions& options,
                                                   const base::ProgressSink& progress);

}  // namespace trine::eval

// Rates of the machine: clock, reads, register loops, sgemm.
#pragma once

#include <trine/bench.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/progress.h"
#include "base/result.h"
#include "kernels/kernel_table.h"
#include "kernels/peak.h"

namespace trine::eval {

/// Best of so many short loops; each takes some 0.3 ms, less than a slice of the scheduler.
inline constexpr int kPeakCalls = 12;

/// Clock of the calling thread's core, hertz.
[[nodiscard]] double measure_clock();

/// Operations per second of `threads` threads together; 0 when the loop does not exist.
[[nodiscard]] double measure_peak(const kernels::PeakLoop& loop, int threads);

/// Seconds of one plain read of `bytes`, divided among the threads.
[[nodiscard]] double read_seconds(const kernels::KernelTable& table,
                                  std::span<const std::uint8_t> bytes, int threads);

/// Operations per second of fp32 products of square matrices, median of `runs`.
[[nodiscard]] double measure_sgemm(std::size_t size, int runs, int threads);

/// Everything `trine bench --machine` says. @param options its threads and isa are not looked at.
[[nodiscard]] Result<MachineReport> measure_machine(const kernels::KernelTable& table,
                                                    int threads, const MachineOptions& options,
                                                    const base::ProgressSink& progress);

}  // namespace trine::eval

// What a processor could do if nothing but one instruction ran: the yardstick of the kernels.
#pragma once

#include <cstdint>
#include <string_view>

namespace trine::kernels {

/// A loop over registers alone. One step runs an instruction on 12 independent registers: more than
/// the latency (at most 5 clocks) times the rate (at most 2 a clock) of any of them.
struct PeakLoop {
  std::string_view instruction{};    ///< for example "vpdpbusd zmm"; empty: there is none
  double operations_per_step = 0.0;  ///< a product and its addition are two
  void (*run)(std::uint64_t steps) noexcept = nullptr;  ///< steps ≥ 1

  [[nodiscard]] bool exists() const noexcept { return run != nullptr; }
};

/// The loops of one instruction set. The scalar set has none.
struct PeakLoops {
  PeakLoop integer_dot{};   ///< bytes times bytes, added up
  PeakLoop multiply_add{};  ///< fp32
  PeakLoop bf16_dot{};      ///< pairs of bf16 into fp32; only where the processor has it
};

/// @param table_name of a runnable KernelTable.
[[nodiscard]] PeakLoops peak_loops_of(std::string_view table_name);

/// Adds that wait for each other, one a clock on every processor we know: `adds` over the seconds
/// they take is the clock. @param adds a multiple of 16, ≥ 16.
void run_dependent_adds(std::uint64_t adds) noexcept;

}  // namespace trine::kernels

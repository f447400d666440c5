// What a rounding of fp32 costs, for tolerances that are derived.
#pragma once

namespace trine::testing_support {

/// The largest relative error of one rounding to fp32.
inline constexpr double kUlp = 0x1p-24;

}  // namespace trine::testing_support

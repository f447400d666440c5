// The kernels that define what is correct, for tests of what is built on them.
#pragma once

#include "kernels/kernel_table.h"

namespace trine::testing_support {

[[nodiscard]] inline const kernels::KernelTable& scalar() {
  return *kernels::runnable_tables().front();
}

}  // namespace trine::testing_support

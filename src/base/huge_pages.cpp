#include "base/huge_pages.h"

#include <sys/mman.h>

namespace trine::base {

void advise_huge_pages(void* memory, std::size_t bytes) noexcept {
  constexpr std::uintptr_t kPage = 4096, kHugePage = std::uintptr_t{1} << 21;
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const std::uintptr_t last = (begin + bytes) / kPage * kPage;
  if (last < first + kHugePage) return;
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace trine::base

// Asks the processor once and offers the tables it can run. To add an instruction set: a folder,
// a table, a row here; the tests pick it up by themselves.
#include <cpuid.h>

#include <array>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace trine::kernels {

namespace scalar {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
namespace avx512vnni {
extern const KernelTable kTable;
}

namespace {

bool always() { return true; }

/// Read from the processor itself: __builtin_cpu_supports of Clang 14 does not know the name.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}

bool has_avx512vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

struct Row {
  const KernelTable* table;
  bool (*runs_here)();
};

constexpr std::array kTables = {
    // narrow to wide
    Row{&scalar::kTable, always},
    Row{&avx2::kTable, has_avx2},
    Row{&avx512::kTable, has_avx512},
    Row{&avx512vnni::kTable, has_avx512vnni},
};

}  // namespace

std::span<const KernelTable* const> runnable_tables() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found;
    for (const Row& row : kTables) {
      if (row.runs_here()) found.push_back(row.table);
    }
    return found;
  }();
  return tables;
}

Result<const KernelTable*> table_named(std::string_view name) {
  const auto tables = runnable_tables();
  if (name.empty()) return tables.back();
  std::string offered;
  for (const KernelTable* table : tables) {
    if (table->name == name) return table;
    offered += (offered.empty() ? "" : ", ") + std::string(table->name);
  }
  return fail(ErrorCode::kUnsupported,
              "instruction set \"{}\" cannot run on this machine; available: {}", name,
              offered);
}

}  // namespace trine::kernels

// The control: both kinds of Result, looked at.
#include "base/result.h"

namespace {

trine::Result<int> number() { return 1; }
trine::Status done() { return {}; }

}  // namespace

int main() {
  const trine::Result<int> found = number();
  if (!done()) return 1;
  return found.has_value() ? *found : 1;
}

#include <trine/trine.h>

namespace trine {

std::string version() { return TRINE_VERSION; }

}  // namespace trine

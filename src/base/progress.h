// How long work tells the outside how far it is: the public types under the names rooms use.
#pragma once

#include <trine/progress.h>

namespace trine::base {

using trine::Progress;
using ProgressSink = trine::ProgressCallback;

}  // namespace trine::base

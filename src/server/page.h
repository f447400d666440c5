// The web page at /: one document that talks to the server it came from and to nobody else.
#pragma once

#include "server/http_exchange.h"

namespace trine::server {

/// The page with its style and scripts inside, and a Content-Security-Policy under which
/// nothing else runs: the one script and the one style carry a number drawn for this response,
/// requests go to the server's own address only, and no page may frame it.
[[nodiscard]] HttpResponse page_response();

}  // namespace trine::server

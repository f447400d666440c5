// Which function answers which request, and what all requests go through first.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/api_error.h"
#include "server/http_exchange.h"
#include "server/server_state.h"

namespace trine::server {

/// Checks origin and key, finds the route, and answers or refuses.
void dispatch(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
              HttpRequest request);

void respond_with(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                  const HttpRequest& request, HttpResponse response);
void refuse_with(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request, const ApiError& error);

/// Whether `host` (with or without a port) may be this server: an address, a name without a dot
/// such as localhost, the name it listens on, or that of an allowed origin. A page whose own name
/// was turned to this machine's address (DNS rebinding) comes with another.
[[nodiscard]] bool is_own_host(const ServeOptions& options, std::string_view host);

/// What a browser needs to let the page at the request's origin read the answer.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> origin_headers(
    const ServerState& server, const HttpRequest& request);

}  // namespace trine::server

// GET /metrics: counters in the text format Prometheus reads.
//
// Written by hand rather than with a library: the format is a documented line per value, and the
// figures are kept by the service already.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <memory>
#include <string>

#include "server/http_exchange.h"
#include "server/server_state.h"

namespace trine::server {

void handle_metrics(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                    const HttpRequest& request);

}  // namespace trine::server

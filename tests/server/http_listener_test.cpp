// Connections from the other end, with sockets of the system: slow readers and large pieces.
#include "server/http_listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace trine::server {
namespace {

/// A listener on a free port, served by a thread of its own.
class Running {
 public:
  Running(const HttpLimits& limits, HttpHandler handler) {
    auto opened = HttpListener::open("127.0.0.1", 0, limits);
    EXPECT_TRUE(opened.has_value());
    listener_ = std::move(*opened);
    thread_ =
        std::thread([this, given = std::move(handler)]() mutable { listener_->run(given); });
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    listener_->stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return listener_->port(); }

 private:
  std::unique_ptr<HttpListener> listener_{};
  std::thread thread_{};
};

/// A connection with a small receive buffer; reads give up after ten seconds.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int small = 4096;
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(); }

  void write(const std::string& text) {
    EXPECT_EQ(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  std::string read_all() {
    std::string text;
    char buffer[4096];
    for (;;) {
      const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
    }
  }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

 private:
  int socket_;
};

constexpr const char* kPost =
    "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

bool becomes_true(const std::atomic<bool>& flag) {
  for (int i = 0; i < 1000 && !flag; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return flag;
}

TEST(HttpListener, TellsOfASlowReaderButNotFromWithinSend) {
  std::atomic<bool> was_told = false, was_within_send = false, is_done = false;
  const HttpLimits limits{.unsent_bytes = 20'000, .write_seconds = 1.0};
  const Running server(limits, [&](const std::shared_ptr<HttpExchange>& exchange, HttpRequest) {
    const auto sender = std::this_thread::get_id();
    exchange->begin_stream({});
    exchange->on_close([&, sender] {
      // A handler that holds a lock while it sends would wait for itself here.
      was_within_send = std::this_thread::get_id() == sender;
      was_told = true;
    });
    for (int i = 0; i < 4000 && !was_told; ++i) {
      exchange->send(std::string(10'000, 'x'));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    exchange->end();
    is_done = true;
  });
  Client client(server.port());
  client.write(kPost);
  EXPECT_TRUE(becomes_true(is_done));
  EXPECT_TRUE(was_told);
  EXPECT_FALSE(was_within_send);
}

TEST(HttpListener, SeesTheClientGoBehindBytesOfTheNextRequest) {
  std::atomic<bool> is_running = false, was_told = false;
  std::shared_ptr<HttpExchange> kept;
  const Running server({}, [&](const std::shared_ptr<HttpExchange>& exchange, HttpRequest) {
    exchange->on_close([&] { was_told = true; });
    kept = exchange;
    is_running = true;
  });
  Client client(server.port());
  client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(becomes_true(is_running));
  client.write("\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(was_told);
  client.close();
  EXPECT_TRUE(becomes_true(was_told));
  kept->respond({});
  kept.reset();  // before the listener, whose timers it uses
}

TEST(HttpListener, OnePieceMayBeLargerThanWhatMayWait) {
  std::atomic<bool> was_told = false;
  const HttpLimits limits{.unsent_bytes = 20'000};
  const Running server(limits, [&](const std::shared_ptr<HttpExchange>& exchange, HttpRequest) {
    exchange->on_close([&] { was_told = true; });
    exchange->begin_stream({});
    exchange->send(std::string(100'000, 'x'));
    exchange->end();
  });
  Client client(server.port());
  client.write(kPost);
  const std::string answer = client.read_all();
  EXPECT_EQ(std::count(answer.begin(), answer.end(), 'x'), 100'000);
  EXPECT_FALSE(was_told);
}

}  // namespace
}  // namespace trine::server

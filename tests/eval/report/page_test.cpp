// The page as a whole: what is on it, and that nobody's names get out of their place.
#include "eval/report/page.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "eval/report/assets.h"
#include "eval/report/report_fixture.h"

namespace trine::eval::report {
namespace {

using testing_support::full_data;
using testing_support::kHostileName;
using testing_support::plain_data;

bool has(const std::string& page, std::string_view words) {
  return page.find(words) != std::string::npos;
}

bool has_section(const std::string& page, std::string_view id) {
  return has(page, "<section id=\"" + std::string(id) + "\"");
}

std::size_t count(const std::string& page, std::string_view words) {
  std::size_t found = 0;
  for (auto at = page.find(words); at != std::string::npos; at = page.find(words, at + 1))
    ++found;
  return found;
}

TEST(Page, OfAnOriginalHasOnlyWhatIsKnown) {
  const std::string page = render_page(plain_data());
  for (const char* id : {"summary", "budget", "matrices"})
    EXPECT_TRUE(has_section(page, id)) << id;
  for (const char* id : {"bits", "rank", "weight-error", "kurtosis", "row-variance",
                         "router-norm", "router-norm-change", "use", "convergence"}) {
    EXPECT_FALSE(has_section(page, id)) << id;
  }
  EXPECT_FALSE(has(page, "Chart.js"));
  EXPECT_TRUE(has(page, "an original, not compressed"));
}

TEST(Page, OfEverythingHasEverySection) {
  const std::string page = render_page(full_data());
  for (const char* id :
       {"summary", "budget", "bits", "rank", "weight-error", "kurtosis", "row-variance",
        "router-norm", "router-norm-change", "use", "convergence", "matrices"}) {
    EXPECT_TRUE(has_section(page, id)) << id;
    EXPECT_TRUE(has(page, "href=\"#" + std::string(id) + "\"")) << id;
  }
  EXPECT_TRUE(has(page, "Chart.js v3"));
  for (const char* figure :
       {"2.493", "2.5 bits per weight asked for", "from 80.00 kB", "41.5000 ± 3.5000",
        "40.2500 ± 3.2500", "0.01250 ± 0.00050", "90.00 ± 1.00 %", "97.00 ± 0.10 %"}) {
    EXPECT_TRUE(has(page, figure)) << figure;
  }
}

TEST(Page, LetsNoNameOutOfItsPlace) {
  const std::string page = render_page(full_data());
  EXPECT_FALSE(has(page, "<img"));
  EXPECT_TRUE(has(page, "{{style}}"));  // in the name, where it means nothing
  EXPECT_EQ(count(page, page_style()), 1u);
  EXPECT_FALSE(has(page, "\xE2\x80\xAE"));
  EXPECT_FALSE(has(page, "\xFF"));
  EXPECT_TRUE(has(page, "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;"));
  EXPECT_TRUE(has(page, "\\u003c/script\\u003e"));
  // Chart.js, the JSON of the curves, our own script: no name ended one or began another.
  EXPECT_EQ(count(page, "</script>"), 3u);
  EXPECT_EQ(count(page, "<script"), 3u);
}

TEST(Page, AsksNothingOfANetwork) {
  const std::string page = render_page(full_data());
  EXPECT_TRUE(has(page, "default-src 'none'"));
  for (const char* reference : {" src=", "<link", "@import", "url("}) {
    std::string ours = page;
    ours.erase(ours.find(chart_script()), chart_script().size());
    // Names are shown, escaped; only theirs has a src.
    EXPECT_EQ(count(ours, reference),
              std::string_view(reference) == " src="
                  ? count(ours, "&lt;img src=") + count(ours, "u003cimg src=")
                  : 0u)
        << reference;
  }
}

TEST(Page, OfTheSameDataIsTheSame) {
  EXPECT_EQ(render_page(full_data()), render_page(full_data()));
}

TEST(Page, OfAModelWithoutMatricesIsStillAPage) {
  const std::string page = render_page({.model = "empty"});
  EXPECT_TRUE(has(page, "</html>"));
  EXPECT_TRUE(has(page, "0 of 0 matrices"));
}

}  // namespace
}  // namespace trine::eval::report

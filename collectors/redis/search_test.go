package redis

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestSearchIndexes reads the indexes whose names are wanted, beside the
// collections.
func TestSearchIndexes(t *testing.T) {
	info := array(
		bulk("index_name"), bulk("idx:bikes"), bulk("attributes"), array(bulks("identifier", "$.brand", "type", "TEXT")),
		bulk("num_docs"), bulk("42"), bulk("inverted_sz_mb"), bulk("0.5"), bulk("records_per_doc_avg"), bulk("nan"),
		bulk("bytes_per_record_avg"), bulk("-nan"), bulk("percent_indexed"), bulk("1"), bulk("indexing"), bulk("0"), bulk("number_of_uses"), ":7\r\n",
	)
	lost := true
	server := newFakeRedis(t, func(args []string) string {
		switch strings.Join(args, " ") {
		case "INFO ALL":
			return bulk("redis_version:8.2.1\r\nredis_mode:standalone\r\n")
		case "FT._LIST":
			if lost {
				return unknown(args)
			}
			return bulks("idx:bikes", "idx:gone", "other")
		case "FT.INFO idx:bikes":
			return info
		case "FT.INFO idx:gone":
			return "-Unknown index name\r\n"
		}
		return unknown(args)
	})
	c := New(connect(t, redis.Options{Addr: server.addr}), Config{SearchIndexes: regexp.MustCompile("^idx:"), Keys: KeysConfig{Interval: time.Nanosecond}})
	c.RefreshIfDue(t.Context())
	if got := gather(t, c, 5*time.Second); !strings.Contains(got, `redis_exporter_background_last_error{err="unsupported",task="search"} 1`) {
		t.Errorf("no reason for missing indexes in\n%s", got)
	}
	lost = false
	c.RefreshIfDue(t.Context())
	got := gather(t, c, 5*time.Second)
	for _, line := range []string{
		`redis_search_index_num_docs{index_name="idx:bikes"} 42`,
		`redis_search_index_inverted_size_bytes{index_name="idx:bikes"} 524288`,
		`redis_search_index_percent_indexed{index_name="idx:bikes"} 1`,
		`redis_search_index_number_of_uses_total{index_name="idx:bikes"} 7`,
		`redis_exporter_background_last_error{err="",task="search"} 0`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no %s in\n%s", line, got)
		}
	}
	for _, word := range []string{"idx:gone", `"other"`, "avg_per", "NaN"} {
		if strings.Contains(got, word) {
			t.Errorf("%s is exported", word)
		}
	}
	if n := server.count("FT.INFO"); n != 2 {
		t.Errorf("%d times asked about an index, want 2", n)
	}
}

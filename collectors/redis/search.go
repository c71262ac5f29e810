package redis

import (
	"context"
	"math"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// searchReader is the task that looks at the indexes of the search module.
type searchReader struct {
	client  redis.UniversalClient
	config  *Config
	metrics searchMetrics
}

// searchMetrics are about an index, by field of FT.INFO.
type searchMetrics map[string]indexField

// indexField is a number of FT.INFO.
type indexField struct {
	*collect.Family
	scale float64
}

func newSearchMetrics(t *collect.Families) searchMetrics {
	const mega = 1 << 20
	number := func(name, help string) indexField {
		return indexField{t.Gauge("search_index_"+name, help, "index_name"), 1}
	}
	bytes := func(name, help string) indexField {
		return indexField{t.Gauge("search_index_"+name+"_size_bytes", help, "index_name"), mega}
	}
	return searchMetrics{
		"num_docs":                    number("num_docs", "Documents of an index."),
		"max_doc_id":                  number("max_doc_id", "Highest number of a document of an index."),
		"num_terms":                   number("num_terms", "Different terms of an index."),
		"num_records":                 number("num_records", "Records of an index."),
		"total_inverted_index_blocks": number("total_inverted_index_blocks", "Blocks of the inverted index."),
		"records_per_doc_avg":         number("avg_per_doc_records", "Average number of records of a document."),
		"bytes_per_record_avg":        number("avg_per_record_bytes", "Average size of a record."),
		"offsets_per_term_avg":        number("avg_per_term_offsets", "Average number of positions of a term."),
		"offset_bits_per_record_avg":  number("avg_per_record_offset_bits", "Average number of bits for the positions of a record."),
		"indexing":                    number("indexing", "Whether an index is being made."),
		"percent_indexed":             number("percent_indexed", "Share of an index that has been made, from 0 to 1."),
		"hash_indexing_failures":      number("hash_indexing_failures", "Documents that an index could not take in."),
		"cleaning":                    number("cleaning", "Whether an index is being deleted."),
		"number_of_uses":              {t.Counter("search_index_number_of_uses_total", "Times an index was used.", "index_name"), 1},

		"inverted_sz_mb":           bytes("inverted", "Memory of the inverted index."),
		"vector_index_sz_mb":       bytes("vector_index", "Memory of the index of vectors."),
		"offset_vectors_sz_mb":     bytes("offset_vectors", "Memory of the positions of terms."),
		"doc_table_size_mb":        bytes("doc_table", "Memory of what is kept of each document."),
		"sortable_values_size_mb":  bytes("sortable_values", "Memory of the values to sort by."),
		"key_table_size_mb":        bytes("key_table", "Memory of the keys of documents."),
		"tag_overhead_sz_mb":       bytes("tag_overhead", "Memory of what makes tags fast to find."),
		"text_overhead_sz_mb":      bytes("text_overhead", "Memory of what makes texts fast to find."),
		"total_index_memory_sz_mb": bytes("total_index_memory", "Memory of an index."),
		"geoshapes_sz_mb":          bytes("geoshapes", "Memory of the shapes of an index."),
	}
}

// run asks for all indexes, and then about those that are wanted.
func (s *searchReader) run(ctx context.Context, r *result) error {
	node, err := nodeOf(ctx, s.client)
	if err != nil {
		return err
	}
	replies, err := call(ctx, node, []command{{"FT._LIST"}})
	if err != nil {
		return err
	}
	names, err := replies[0].list()
	if err != nil {
		return err
	}
	var commands []command
	budget := maxIndexes
	for _, one := range names {
		if name := toText(one); s.config.SearchIndexes.MatchString(name) && r.spend(&budget, name) {
			commands = append(commands, command{"FT.INFO", name})
		}
	}
	if len(commands) == 0 {
		return nil
	}
	if replies, err = call(ctx, node, commands); err != nil {
		return err
	}
	for i, reply := range replies {
		if reply.err == nil { // Else the index has gone meanwhile.
			s.write(r, toText(commands[i][1]), reply.value)
		}
	}
	return nil
}

// write writes a reply to FT.INFO. Averages of empty indexes are no numbers.
func (s *searchReader) write(r *result, index string, info any) {
	for name, value := range fields(info) {
		if f, ok := s.metrics[name]; ok {
			if v, ok := toNumber(value); ok && !math.IsNaN(v) {
				r.add(f.Family, v*f.scale, index)
			}
		}
	}
}

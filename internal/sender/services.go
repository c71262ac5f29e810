package sender

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed services.tsv
var knownServices string

// services returns the names of services by their domains.
var services = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(knownServices) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		domains, _, _ := strings.Cut(rest, "\t")
		for domain := range strings.FieldsSeq(domains) {
			all[domain] = name
		}
	}
	return all
})

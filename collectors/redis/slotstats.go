package redis

import "github.com/dmarc-suite/dmarc-suite/internal/collect"

// slotMetrics are about the slots that a node of a cluster owns.
type slotMetrics map[string]*collect.Family // by field of CLUSTER SLOT-STATS

func newSlotMetrics(t *collect.Families) slotMetrics {
	return slotMetrics{
		"key-count":         t.Gauge("cluster_slot_key_count", "Keys in a slot.", "slot"),
		"cpu-usec":          t.Counter("cluster_slot_cpu_usec_total", "CPU time of commands for keys in a slot, in microseconds.", "slot"),
		"network-bytes-in":  t.Counter("cluster_slot_network_bytes_in_total", "Bytes received for keys in a slot.", "slot"),
		"network-bytes-out": t.Counter("cluster_slot_network_bytes_out_total", "Bytes sent for keys in a slot.", "slot"),
	}
}

// write writes CLUSTER SLOT-STATS: slots with fields. All but the number of keys
// are there only with cluster-slot-stats-enabled.
func (m slotMetrics) write(s *scrape, replies []reply) error {
	list, err := replies[0].list()
	if err != nil {
		return err
	}
	for _, one := range list[:min(len(list), slots)] {
		entry, ok := one.([]any)
		if !ok || len(entry) < 2 {
			return errReply
		}
		slot, ok := toNumber(entry[0])
		if !ok || slot < 0 || slot >= slots {
			return errReply
		}
		for name, value := range fields(entry[1]) {
			if f := m[name]; f != nil {
				if v, ok := toNumber(value); ok {
					s.Add(f, v, toText(entry[0]))
				}
			}
		}
	}
	return nil
}

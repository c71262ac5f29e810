package redis

import "github.com/dmarc-suite/dmarc-suite/internal/collect"

// aclMetrics are about the access control list.
type aclMetrics struct{ users *collect.Family }

func newACLMetrics(t *collect.Families) aclMetrics {
	return aclMetrics{users: t.Gauge("acl_users", "Users of the access control list.")}
}

// write writes how many users ACL USERS lists.
func (m *aclMetrics) write(s *scrape, replies []reply) error {
	users, err := replies[0].list()
	if err != nil {
		return err
	}
	s.Add(m.users, float64(len(users)))
	return nil
}

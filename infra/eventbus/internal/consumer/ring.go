package consumer

// ring is a first-in first-out queue that grows with its content.
type ring struct {
	buf  []*Item
	head int
	n    int
}

func (q *ring) len() int { return q.n }

func (q *ring) push(d *Item) {
	if q.n == len(q.buf) {
		q.grow(max(16, 2*q.n))
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = d
	q.n++
}

func (q *ring) pop() *Item {
	d := q.buf[q.head]
	q.buf[q.head] = nil
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	return d
}

func (q *ring) grow(size int) {
	buf := make([]*Item, size)
	for i := range q.n {
		buf[i] = q.buf[(q.head+i)&(len(q.buf)-1)]
	}
	q.buf, q.head = buf, 0
}

// each calls fn for every delivery of the queue, the next one first.
func (q *ring) each(fn func(*Item)) {
	for i := range q.n {
		fn(q.buf[(q.head+i)&(len(q.buf)-1)])
	}
}

func (q *ring) drain() []*Item {
	out := make([]*Item, 0, q.n)
	for q.n > 0 {
		out = append(out, q.pop())
	}
	return out
}

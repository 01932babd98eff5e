package eventbus

// queue is a first-in first-out ring that grows and shrinks with its content.
type queue struct {
	buf  []*Incoming
	head int
	n    int
}

func (q *queue) len() int { return q.n }

func (q *queue) push(d *Incoming) {
	if q.n == len(q.buf) {
		q.resize(max(16, 2*q.n))
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = d
	q.n++
}

func (q *queue) pop() *Incoming {
	d := q.buf[q.head]
	q.buf[q.head] = nil
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	return d
}

func (q *queue) resize(size int) {
	buf := make([]*Incoming, size)
	for i := range q.n {
		buf[i] = q.buf[(q.head+i)&(len(q.buf)-1)]
	}
	q.buf, q.head = buf, 0
}

// each calls fn for all that is in the queue, the next one first.
func (q *queue) each(fn func(*Incoming)) {
	for i := range q.n {
		fn(q.buf[(q.head+i)&(len(q.buf)-1)])
	}
}

func (q *queue) drain() []*Incoming {
	out := make([]*Incoming, 0, q.n)
	for q.n > 0 {
		out = append(out, q.pop())
	}
	return out
}

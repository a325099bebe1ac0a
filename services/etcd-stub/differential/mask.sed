# What must differ from one cluster to another: numbers of members, clusters and leases, Raft's terms and
# indexes, sizes, hashes, times, ports, and with them the width of tables.
s/\+(-+\+)+/+--+/
s#(127\.0\.0\.1:)2[34]([0-9]{3})#\1P\2#g
s/\b[0-9a-f]{15,16}\b/ID/g
s/\b[0-9]{12,20}\b/NUMBER/g
s/-[0-9]{12,20}\b/NUMBER/g
s/"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash)":[0-9]+/"\1":N/g
s/"(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse|Hash)" : [0-9]+/"\1" : N/
s/[0-9.]+(µs|ms|s)$/TIME/
s/"took":"[^"]*"/"took":"TIME"/g
s/[0-9.]+ (k|M)?B\b/SIZE/g
s/ +/ /g

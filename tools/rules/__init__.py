"""Our own rules: what no general tool can know about this house, each a small reader of syntax trees.

A line is excused by a comment on it or right above it, which must say why: `# rule: NAME because ...`.
"""

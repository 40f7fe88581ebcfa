"""One replica changed without loss: drained, waited for, changed, started, proven, given back.

What is decided is a function over values (``kinds``, ``order``, ``proof``, ``owners``); what is
done with it is thin: by one process (``rank``), one step (``step``, ``undoing``), one run
(``taking``, ``rollout``, ``ending``). A replica of several servers is one step.
"""

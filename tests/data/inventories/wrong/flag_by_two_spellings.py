"""65
services[chat].extra_args.enable_log_requests: is the flag that enable-log-requests is already
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"extra_args": {"enable-log-requests": True, "enable_log_requests": False}})
